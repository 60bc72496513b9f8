# a network and the trials that tell where its states go -> its fixed points
rule fixed_points:
    input:
        training=lambda w: study.training(w.experiment, w.seed),
        dataset=lambda w: study.fixed_points_dataset(w.experiment),
    output:
        "results/fixed_points/{experiment}/seed{seed}.h5",
    log:
        "results/logs/fixed_points/{experiment}/seed{seed}.log",
    benchmark:
        "results/benchmarks/fixed_points/{experiment}/seed{seed}.tsv"
    conda:
        "../../environment.yml"
    threads: study.workflow.threads
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        network=lambda w: study.network(w.experiment, w.seed),
        code=lambda w: code("fixed_points", *study.points_modules(w.experiment)),
        settings=lambda w: study.fixed_points_settings(w.experiment),
    message:
        "Searching for fixed points of {wildcards.experiment}, seed {wildcards.seed}"
    shell:
        "exec python -m rnnpipe fixed_points --network {params.network} --dataset {input.dataset}"
        " --settings {params.settings:q} --out {output} --threads {threads} > {log} 2>&1"
