# a network and a file of trials -> what the network did on them
rule evaluate:
    input:
        training=lambda w: study.training(w.experiment, w.seed),
        dataset=lambda w: study.evaluation_dataset(w.experiment, w.dataset),
    output:
        "results/evaluate/{experiment}/seed{seed}.{dataset}.h5",
    log:
        "results/logs/evaluate/{experiment}/seed{seed}.{dataset}.log",
    benchmark:
        "results/benchmarks/evaluate/{experiment}/seed{seed}.{dataset}.tsv"
    conda:
        "../../environment.yml"
    threads: study.workflow.threads
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
        gpu=gpus,
    params:
        network=lambda w: study.network(w.experiment, w.seed),
        code=lambda w: code("evaluate", *study.evaluation_modules(w.experiment)),
        record_activity=lambda w: study.record_activity_flag(w.experiment, w.dataset),
        device=device,
    message:
        "Evaluating {wildcards.experiment}, seed {wildcards.seed}, on {wildcards.dataset}"
    shell:
        "exec python -m rnnpipe evaluate --network {params.network} --dataset {input.dataset} --out {output}"
        " {params.record_activity} --device {params.device} --threads {threads} > {log} 2>&1"


# a network, a file of trials and its scaling factor -> what the spiking network did on them
rule evaluate_spiking:
    input:
        training=lambda w: study.training(w.experiment, w.seed),
        dataset=lambda w: study.evaluation_dataset(w.experiment, w.dataset),
        spiking=lambda w: study.result(w.mapping, w.experiment, int(w.seed)),
    output:
        "results/evaluate/{experiment}/{mapping}/seed{seed}.{dataset}.h5",
    log:
        "results/logs/evaluate/{experiment}/{mapping}/seed{seed}.{dataset}.log",
    benchmark:
        "results/benchmarks/evaluate/{experiment}/{mapping}/seed{seed}.{dataset}.tsv"
    conda:
        "../../environment.yml"
    threads: study.workflow.threads
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        network=lambda w: study.network(w.experiment, w.seed),
        code=lambda w: code("evaluate", *study.task_modules(study.experiment(w.experiment).task)),
        record_activity=lambda w: study.record_activity_flag(w.experiment, w.dataset),
    message:
        "Evaluating {wildcards.experiment}, seed {wildcards.seed}, with spikes ({wildcards.mapping}) on {wildcards.dataset}"
    shell:
        "exec python -m rnnpipe evaluate --network {params.network} --dataset {input.dataset} --spiking {input.spiking}"
        " --out {output} {params.record_activity} --threads {threads} > {log} 2>&1"
