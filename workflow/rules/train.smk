# settings of an experiment and a seed (and the network that training starts from) -> a network and its history
rule train:
    input:
        lambda w: study.initial_network(w.experiment, w.seed),
    output:
        network="results/train/{experiment}/seed{seed}.pth",
        history="results/train/{experiment}/seed{seed}.history.h5",
    log:
        "results/logs/train/{experiment}/seed{seed}.log",
    benchmark:
        "results/benchmarks/train/{experiment}/seed{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: study.workflow.threads
    resources:
        mem_mb=growing(1500),
        runtime=growing(240),
        gpu=gpus,
    params:
        code=lambda w: code("train", *study.modules(w.experiment)),
        settings=lambda w: study.train_settings(w.experiment),
        initial=lambda w: initial_flag(w),
        device=device,
        # beside the outputs, not among them: Snakemake never deletes it
        checkpoint=lambda w, output: str(Path(output.network).with_name(f".seed{w.seed}.checkpoint")),
    message:
        "Training {wildcards.experiment}, seed {wildcards.seed}"
    shell:
        "exec python -m rnnpipe train --settings {params.settings:q} --seed {wildcards.seed}"
        " {params.initial} --network {output.network} --history {output.history} --checkpoint {params.checkpoint}"
        " --device {params.device} --threads {threads} > {log} 2>&1"


# settings of a supervised experiment and several seeds -> a folder of networks (.pth, .mat) and histories
rule train_several:
    output:
        directory("results/train/{experiment}/seeds{batch}"),
    log:
        "results/logs/train/{experiment}/seeds{batch}.log",
    benchmark:
        "results/benchmarks/train/{experiment}/seeds{batch}.tsv"
    conda:
        "../../environment.yml"
    threads: study.workflow.threads
    resources:
        mem_mb=growing(3000),
        runtime=growing(240),
        gpu=gpus,
    params:
        code=lambda w: code("train", *study.modules(w.experiment)),
        settings=lambda w: study.train_settings(w.experiment),
        seeds=seed_flags,
        network=lambda w, output: f"{output}/seed{{seed}}.pth",
        history=lambda w, output: f"{output}/seed{{seed}}.history.h5",
        device=device,
        # beside the output, not in it: Snakemake never deletes it
        checkpoint=lambda w, output: str(Path(str(output)).with_name(f".seeds{w.batch}.checkpoint")),
    message:
        "Training {wildcards.experiment}, seeds {wildcards.batch}"
    shell:
        "exec python -m rnnpipe train --settings {params.settings:q} {params.seeds}"
        " --network {params.network:q} --history {params.history:q} --checkpoint {params.checkpoint}"
        " --device {params.device} --threads {threads} > {log} 2>&1"


rule all_networks:
    input:
        study.networks(),
