# a network and the trials that tell where its states go -> its fixed points
rule fixed_points:
    input:
        network="results/train/{experiment}/seed{seed}.pth",
        dataset=lambda w: study.fixed_points_dataset(w.experiment),
    output:
        "results/fixed_points/{experiment}/seed{seed}.h5",
    log:
        "results/logs/fixed_points/{experiment}/seed{seed}.log",
    benchmark:
        "results/benchmarks/fixed_points/{experiment}/seed{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=lambda w: code("fixed_points", task_module(study.experiment(w.experiment).task)),
        settings=lambda w: study.fixed_points_settings(w.experiment),
    message:
        "Searching for fixed points of {wildcards.experiment}, seed {wildcards.seed}"
    shell:
        "exec python -m rnnpipe fixed_points --network {input.network} --dataset {input.dataset}"
        " --settings {params.settings:q} --out {output} > {log} 2>&1"
