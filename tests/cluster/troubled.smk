# Jobs that ask for too little, or lose what they have, at first.


rule all:
    localrule: True
    input:
        "hungry",
        "modest",
        "slow",
        "cancelled",


rule hungry:
    group:
        "eaters"
    output:
        "hungry",
    resources:
        mem_mb=lambda wildcards, attempt: 400 * 3 ** (attempt - 1),
        runtime=5,
    shell:
        "python -c 'import time; held = bytearray(700_000_000); time.sleep(8)' && touch {output}"


rule modest:
    group:
        "eaters"
    input:
        "hungry",
    output:
        "modest",
    resources:
        mem_mb=400,
        runtime=5,
    shell:
        "touch {output}"


rule slow:
    output:
        "slow",
    resources:
        mem_mb=400,
        runtime=lambda wildcards, attempt: attempt,
    shell:
        "sleep 65 && touch {output}"


rule cancelled:
    output:
        "cancelled",
    resources:
        mem_mb=400,
        runtime=5,
    shell:
        "sleep 15 && touch {output}"
