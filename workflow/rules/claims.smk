# evaluations and histories -> the table of published numbers and ours
rule claims:
    input:
        [study.target(path) for _, path in study.claims_inputs()],
    output:
        csv=report(
            "results/claims.csv",
            caption="../report/claims.rst",
            category="Claims",
            labels={"table": "claims", "format": "CSV"},
        ),
        md="results/claims.md",
    log:
        "results/logs/claims.log",
    benchmark:
        "results/benchmarks/claims.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        code=lambda w: code("claims"),
        settings=study.claims_settings(),
        inputs=lambda w: named_inputs(study.claims_inputs()),
    message:
        "Checking claims"
    shell:
        "exec python -m rnnpipe claims --settings {params.settings:q} {params.inputs} --out {output.csv}"
        " > {log} 2>&1"
