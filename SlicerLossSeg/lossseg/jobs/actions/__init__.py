"""The kinds of jobs, one file each. The rooms that they need are imported when a job runs, not before."""

from lossseg.jobs.action import Action
from lossseg.jobs.actions import demo, doctor, ensemble, evaluate, losses, phantom, plan, predict, train

ACTIONS: dict[str, Action] = {
    module.ACTION.kind: module.ACTION
    for module in (demo, phantom, plan, train, predict, evaluate, ensemble, losses, doctor)
}
