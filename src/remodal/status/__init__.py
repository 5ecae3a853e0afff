"""How far each stage and each model of a study is, from the files that jobs write.

Only files are looked at, not processes: a job on another node, or of another user, is shown just
like a job here. A job is known to be running by its log, whose time is renewed while it runs
(remodal.process.stage_log).
"""
