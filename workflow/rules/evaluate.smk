# a network and a file of trials -> what the network did on them
rule evaluate:
    input:
        network="results/train/{experiment}/seed{seed}.pth",
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
        mem_mb=2000,
        runtime=60,
        gpu=gpus,
    params:
        code=lambda w: code("evaluate", task_module(study.experiment(w.experiment).task)),
        record_activity=lambda w: study.record_activity_flag(w.experiment, w.dataset),
        device=device,
    message:
        "Evaluating {wildcards.experiment}, seed {wildcards.seed}, on {wildcards.dataset}"
    shell:
        "exec python -m rnnpipe evaluate --network {input.network} --dataset {input.dataset} --out {output}"
        " {params.record_activity} --device {params.device} --threads {threads} > {log} 2>&1"
