# rate networks -> the scaling factor of each, and how well it works as a spiking network
rule spiking:
    input:
        lambda w: study.trainings(w.experiment, w.batch),
        lambda w: study.factor_of(w.experiment, w.mapping, w.batch),
    output:
        "results/spiking/{experiment}/{mapping}/seeds{batch}.h5",
    log:
        "results/logs/spiking/{experiment}/{mapping}/seeds{batch}.log",
    benchmark:
        "results/benchmarks/spiking/{experiment}/{mapping}/seeds{batch}.tsv"
    conda:
        "../../environment.yml"
    threads: study.workflow.threads
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
    params:
        code=lambda w: code("spiking", *study.task_modules(study.experiment(w.experiment).task)),
        settings=lambda w: study.spiking_settings(w.mapping),
        flags=spiking_flags,
    message:
        "Mapping {wildcards.experiment}, seeds {wildcards.batch}, to spikes ({wildcards.mapping})"
    shell:
        "exec python -m rnnpipe spiking {params.flags} --settings {params.settings:q} --out {output}"
        " --threads {threads} > {log} 2>&1"
