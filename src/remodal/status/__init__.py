"""How far a study is: of each stage, of each model, from the files that jobs write.

Only files are looked at, no processes: a job on another node, or under another user, shows like one
here. That a job is at work is known by its log, which is renewed while it runs
(remodal.process.stage_log).
"""
