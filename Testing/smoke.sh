#!/usr/bin/env bash
# The command line from phantoms to a report, with networks far too small to be good: does every step take what the last
# one wrote? Call it as `make smoke`, or with the folder of the programs: Testing/smoke.sh .venv/bin
set -euo pipefail

lossseg="$(cd "${1:-.venv/bin}" && pwd)/lossseg"
study="$(mktemp -d)/a study with späces"
trap 'rm -rf "$(dirname "$study")"' EXIT

tiny=(--iterations 8 --epochs 1 --patch 32 32 32 --filters 4,8,16 --batch 2 --validations 1 --folds 2 --cross-validate)

"$lossseg" doctor
"$lossseg" phantom tof "$study/dataset" --cases 4 --size 40 48 48
"$lossseg" phantom tof "$study/unseen" --cases 2 --size 40 48 48 --seed 1
"$lossseg" plan "$study/dataset" --out "$study/plan.json"
"$lossseg" train "$study/dataset" "$study/models/ce" "${tiny[@]}"
"$lossseg" train "$study/dataset" "$study/models/topk" --loss "dice + topk(k=0.1)" "${tiny[@]}"
"$lossseg" ensemble "$study/best.json" --best-folds --group "ce=$study/models/ce" --group "topk=$study/models/topk"
"$lossseg" predict "$study/best.json" "$study/unseen/imagesTr" "$study/results" --json | tail -1 | grep -q '"event": "finished"'
"$lossseg" evaluate "$study/results" "$study/unseen/labelsTr" --out "$study/evaluation"

for file in TOF_001.nii.gz TOF_001.lesions.csv TOF_002.nii.gz TOF_002.lesions.json; do
    test -s "$study/results/$file"
done
for file in lesions.csv lesions.json summary.json report.html; do
    test -s "$study/evaluation/$file"
done

# The demonstration as it is, but with no time to learn anything.
"$lossseg" demo --out "$study/demo" --minutes 0.5
for file in evaluation/report.html evaluation/lesions.csv ensembles/best_of_each_fold.json; do
    test -s "$study/demo/$file"
done

code=0
"$lossseg" predict "$study/best.json" "$study/absent.nii.gz" "$study/results" || code=$?
test "$code" = 2
echo "Smoke test passed."
