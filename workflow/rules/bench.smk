# the speed of this machine; asked for by name only: snakemake --cores 1 bench
rule bench:
    output:
        "results/bench.jsonl",
    log:
        "results/logs/bench.log",
    benchmark:
        "results/benchmarks/bench.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=lambda w: code("bench"),
    message:
        "Measuring speed"
    shell:
        "exec python -m rnnpipe bench --out {output} > {log} 2>&1"
