# settings of a task -> a file of trials
rule dataset:
    output:
        "results/dataset/{task}/{dataset}.h5",
    log:
        "results/logs/dataset/{task}/{dataset}.log",
    benchmark:
        "results/benchmarks/dataset/{task}/{dataset}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=lambda w: code("dataset", *study.task_modules(w.task)),
        settings=lambda w: study.dataset_settings(w.task, w.dataset),
    message:
        "Sampling data set {wildcards.dataset} of {wildcards.task}"
    shell:
        "exec python -m rnnpipe dataset --settings {params.settings:q} --out {output} > {log} 2>&1"
