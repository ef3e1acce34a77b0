# Slurm starts the ranks itself: needs an MPI that was built for this Slurm's PMIx, such as the system's own. A rank that
# dies ends the job, and the next one resumes.
unset SLURM_NTASKS_PER_NODE SLURM_TASKS_PER_NODE  # there is one rank more
launcher=(srun --mpi=pmix --ntasks="$ranks" --overcommit --kill-on-bad-exit=1)
