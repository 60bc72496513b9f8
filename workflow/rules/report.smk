# everything that was made -> one page; asked for by name only: snakemake --cores 8 report
rule report:
    input:
        rules.all_figures.input,
        rules.claims.output,
    output:
        "results/report.html",
    log:
        "results/logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        code=lambda w: code("report"),
        page=page_hash(),
        config=canonical(dict(config)),
        results=lambda w, output: os.path.dirname(output[0]),
    message:
        "Writing the report"
    shell:
        "exec python -m rnnpipe report --config {params.config:q} --results {params.results} --out {output}"
        " > {log} 2>&1"
