# trainings of an experiment or a sweep -> one table, a row a network
rule gather:
    input:
        lambda w: study.gather_inputs(w.experiment),
    output:
        csv=report(
            "results/gather/{experiment}.csv",
            caption="../report/gather.rst",
            category="Networks",
            labels={"networks": "{experiment}", "format": "CSV"},
        ),
        md="results/gather/{experiment}.md",
    log:
        "results/logs/gather/{experiment}.log",
    benchmark:
        "results/benchmarks/gather/{experiment}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(30),
    params:
        code=lambda w: code("gather"),
        # not a list of files: of thousands the command would be longer than a system takes
        settings=lambda w: study.gather_settings(w.experiment),
        folder=placed("results/train"),
    message:
        "Gathering the networks of {wildcards.experiment}"
    shell:
        "exec python -m rnnpipe gather --settings {params.settings:q} --folder {params.folder} --out {output.csv}"
        " > {log} 2>&1"
