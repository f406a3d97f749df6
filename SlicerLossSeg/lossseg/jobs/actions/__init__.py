"""The kinds of jobs, one file each. The rooms that they need are imported when a job runs, not before."""

from lossseg.jobs.action import Action
from lossseg.jobs.actions import (
    compare,
    demo,
    doctor,
    ensemble,
    evaluate,
    export_bundle,
    import_model,
    inspect,
    learn_loss,
    losses,
    networks,
    next_case,
    phantom,
    plan,
    predict,
    preset,
    study,
    train,
)

ACTIONS: dict[str, Action] = {
    module.ACTION.kind: module.ACTION
    for module in (
        demo,
        phantom,
        plan,
        train,
        predict,
        evaluate,
        compare,
        next_case,
        inspect,
        ensemble,
        import_model,
        export_bundle,
        study,
        preset,
        learn_loss,
        losses,
        networks,
        doctor,
    )
}
