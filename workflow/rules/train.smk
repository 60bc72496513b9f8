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
        mem_mb=1500,
        runtime=240,
        gpu=gpus,
    params:
        code=lambda w: code("train", task_module(study.experiment(w.experiment).task)),
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


rule all_networks:
    input:
        study.networks(),
