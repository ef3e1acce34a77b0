# Open MPI's launcher takes the nodes from Slurm. One rank more than there are slots, hence the oversubscription; each
# worker on a core of its own. Version 5 goes on when a rank dies, older ones end the job and the next one resumes; by
# node, since it would otherwise put all ranks on the first one.
launcher=(mpirun -n "$ranks")
bind=core:overload-allowed
[ "$threads" -eq 1 ] || bind=none  # a worker with several threads needs several cores
case $(mpirun --version 2>&1) in
  *"Open MPI) 4."*) launcher+=(--oversubscribe --bind-to "$bind") ;;
  *"Open MPI) "*) launcher+=(--with-ft ulfm --map-by node:OVERSUBSCRIBE --bind-to "$bind") ;;
  *) ;;  # another MPI: its own defaults
esac
