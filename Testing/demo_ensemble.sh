#!/bin/sh
# Trains the small ensemble that the Slicer module brings along, on CT phantoms with nodules, and keeps of it what is
# needed to segment: cards, weights, and the file that names the best model of each fold. Takes some minutes.
#
#   Testing/demo_ensemble.sh .venv/bin SlicerLossSeg/Resources/DemoStudy
set -eu

bin=$1
study=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$bin/lossseg" phantom ct "$work/dataset" --cases 12 --size 40 72 72 --seed 11
for group in dice_ce dice_topk; do
    case $group in
        dice_ce) loss="dice + ce" ;;
        dice_topk) loss="dice + topk(k=0.1)" ;;
    esac
    "$bin/lossseg" train "$work/dataset" "$work/models/$group" --loss "$loss" --cross-validate --folds 3 \
        --epochs 12 --iterations 20 --filters 8,16,32 --patch 24 40 40 --batch 2 --optimizer adamw \
        --learning-rate 0.005 --ema-decay 0.9 --validations 1 --workers 0 --no-deep-supervision \
        --cache "$work/cache" --seed 1
done
"$bin/lossseg" ensemble "$work/ensembles/nodule_phantoms.json" --best-folds \
    --group "dice_ce=$work/models/dice_ce" --group "dice_topk=$work/models/dice_topk"

rm -rf "$study"
"$bin/python" Testing/keep_ensemble.py "$work/ensembles/nodule_phantoms.json" "$study"
