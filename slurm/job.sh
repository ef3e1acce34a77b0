#!/bin/bash
# An experiment of Seldon as a chain of Slurm jobs. Written by `seldon submit`, which writes it anew; after a change by
# hand: sbatch FILE. Each job runs until the experiment is complete or its time is over, then takes its place in the
# queue again (docs/cluster.md).
@SBATCH@

@SETTINGS@

say() { echo "$(date '+%F %T') job $SLURM_JOB_ID: $*"; }

# --- Signals. First of all, since USR1 kills a shell that does not expect it. ----------------------------------------
# Slurm sends USR1 to this shell alone some time before the end (--signal above); `scancel --batch --signal=USR1` does
# the same. The launcher hands it on to the program, which lets running packs end and hands out nothing more.
# TERM comes with scancel, a requeue or the time limit; Slurm then sends it to the launcher as well.
launcher_pid='' signalled=no early=no
on_signal() {
  signalled=yes
  say "signal $1"
  if [ -n "$launcher_pid" ]; then kill -USR1 "$launcher_pid" 2>/dev/null; else early=yes; fi
}
on_term() {
  on_signal TERM
  # Slurm kills this shell soon. A launcher that hangs must go before, or the chain would end here.
  [ -z "$launcher_pid" ] || { sleep 5; [ "$(job_field %T)" != COMPLETING ] || kill -KILL "$launcher_pid"; } &
}
# Of this job, from Slurm, which may be busy or be started anew: asked for a quarter of a minute.
job_field() {
  local answer pause
  for pause in 1 2 4 8 0; do
    answer=$(squeue --noheader --job "$SLURM_JOB_ID" --format="$1" 2>/dev/null)
    [ -z "$answer" ] || { echo "$answer"; return; }
    sleep "$pause"
  done
  return 1
}
trap 'on_signal USR1' USR1
trap on_term TERM

# --- Environment -----------------------------------------------------------------------------------------------------
# What fails here may work on another node: the chain goes on, until two jobs were in vain.
trouble=''
cd "$folder" || trouble="cannot enter the folder $folder"
# Modules and variables of this cluster: whatever must be the same here as where the program was built.
if [ -z "$trouble" ] && [ -n "$env_file" ]; then
  # shellcheck disable=SC1090
  . "$env_file" || trouble="$env_file failed (status $?), which is sourced before the program starts"
fi
export OMP_NUM_THREADS=$threads OPENBLAS_NUM_THREADS=$threads
# The program hands out no pack that cannot end in time. Older Slurm does not set this variable, and one that comes from
# the job before is wrong: ask.
export SLURM_JOB_END_TIME
SLURM_JOB_END_TIME=$(SLURM_TIME_FORMAT=%s job_field %e)
[[ $SLURM_JOB_END_TIME =~ ^[0-9]+$ ]] || unset SLURM_JOB_END_TIME

# --- The chain -------------------------------------------------------------------------------------------------------
# One line for each job of each chain: chain, job, restart, progress when it began, time. A chain is named by its first
# job; a requeued job keeps its number, a follow-up job inherits SELDON_CHAIN. And "begun CHAIN", see below.
export SELDON_CHAIN=${SELDON_CHAIN:-$SLURM_JOB_ID}
chain_file=$store.chain

count() {
  if [ -e "$results" ]; then "$report" status "$results" --count "$1" || echo unreadable; else echo 0; fi
}
# Whether the last two jobs of this chain began where the experiment is now. A job that records no cell may yet have
# counted a death against the cell that kills it: that is progress, and ends. A job whose node could not read the store
# counts only beside others like it.
two_jobs_in_vain() {
  awk -v chain="$SELDON_CHAIN" -v now="$(count progress)" '
    $1 == chain && ($4 != "unreadable" || now == "unreadable") { before = last; last = $4; jobs++ }
    END { exit !(jobs >= 2 && last == now && before == now) }' "$chain_file"
}
stop_in_vain() {
  say "stopped: two jobs in a row have recorded no cell ($(count "done") so far), nor come closer to giving one up. This
log, $report status $results and the logs of the workers tell why. Once that is mended, a new chain goes on: sbatch $script"
  exit 3
}
# What the run says of itself, beside the file that a link leads to. Each job removes it first, so that no run speaks for
# another one.
live=$(readlink -m "$store").live.json
exit_code_is() { grep -Eqs '"exit_code" ?: ?'"$1"'[,}]' "$live"; }
# Whether the run has ended, and left nothing but cells that are DONE or FAILED.
only_failed_cells_left() {
  local state cells none
  exit_code_is 3 && cells=$(grep -Eo '"cells_by_state" ?: ?\{[^}]*\}' "$live") || return 1
  for state in pending leased lost preempted; do
    none="\"$state\" ?: ?0[,}]"
    [[ $cells =~ $none ]] || return 1
  done
}

# The flags of the first run only, such as --retry failed: with them in each job a cell could fail for ever. They are
# given until a run has told of itself, which it does after it has heeded them.
if ! grep -qs "^$SELDON_CHAIN " "$chain_file"; then rm -f "$live"; fi
begun() { grep -qsx "begun $SELDON_CHAIN" "$chain_file"; }
[ ! -e "$live" ] || begun || echo "begun $SELDON_CHAIN" >>"$chain_file"
begun || run_arguments+=("${first_arguments[@]}")

# Two jobs that died before they could look, on a bad node for example.
[ ! -e "$chain_file" ] || ! two_jobs_in_vain || stop_in_vain
echo "$SELDON_CHAIN $SLURM_JOB_ID ${SLURM_RESTART_COUNT:-0} $(count progress) $(date +%FT%T)" >>"$chain_file" ||
  { say "cannot write $chain_file: is the disk full, or not there on this node?"; exit 3; }

# --- The program -----------------------------------------------------------------------------------------------------
# Workers, and rank 0, which hands out work and needs no core of its own. Without a number: whole nodes, a worker on each
# core; all nodes are taken to be like this one.
if [ -z "$tasks_per_node" ]; then
  cores=$(lscpu --parse=CORE,SOCKET | grep -v '^#' | sort -u | wc -l)
  tasks_per_node=$((cores > threads ? cores / threads : 1))
fi
workers=$((SLURM_JOB_NUM_NODES * tasks_per_node))
ranks=$((workers + 1))

@LAUNCHER@

status=3  # if there is nothing to wait for
if [ -n "$trouble" ]; then
  say "$trouble. Is $HOSTNAME in order?"
elif [ $early = no ]; then
  rm -f "$live"
  say "$workers workers and rank 0 on $SLURM_JOB_NUM_NODES nodes, ${SLURM_RESTART_COUNT:-0} restarts"
  "${launcher[@]}" "$seldon" run "${run_arguments[@]}" &
  launcher_pid=$!
  [ $early = no ] || kill -USR1 "$launcher_pid"
  signalled=yes
  while [ $signalled = yes ]; do  # a signal also ends `wait`
    signalled=no
    wait "$launcher_pid"
    status=$?
  done
fi

# --- What next -------------------------------------------------------------------------------------------------------
# 0 complete, 2 bad input; the program's 3 and 4 and whatever a launcher makes of a signal or a crash: incomplete.
# Open MPI 5 also says 0 if all ranks were killed, and 1 if rank 0 has ended it because a worker hangs: what the program
# has said itself goes before.
if exit_code_is 0; then
  status=0
elif exit_code_is 2; then
  status=2
elif [ $status -eq 0 ]; then
  say "the launcher says 0, and the program has not said that it is complete"
  status=3
fi
case $status in
  0) say "complete"; exit 0 ;;
  2) say "bad input, see above; not tried again"; exit 2 ;;
esac
trap '' USR1 TERM  # what follows is short, and a requeue sends TERM
if only_failed_cells_left; then
  say "stopped: $(count failed) cells FAILED in every try, all others are recorded; $report status $results tells why.
To try them again: seldon submit with the same arguments and -- --retry failed"
  exit 3
fi
state=$(job_field '%T %r') || {
  say "incomplete (status $status), and Slurm does not say whether this job was cancelled. If it was not: sbatch $script"
  exit 3
}
case $state in
  "COMPLETING TimeLimit") ;;  # the drain took longer than was allowed for
  COMPLETING*) say "incomplete (status $status), ended by Slurm: cancelled, or requeued by Slurm itself"; exit 3 ;;
esac
! two_jobs_in_vain || stop_in_vain
say "incomplete (status $status), $(count "done") cells recorded: goes on in the next job"
if scontrol requeue "$SLURM_JOB_ID"; then exit 3; fi
say "this job cannot be requeued: a follow-up job takes its place"
# Later, so that a store that this job could not close is free (its lock counts as left behind after a minute).
sbatch --dependency=afterany:"$SLURM_JOB_ID" --begin=now+90 "$script" ||
  say "that failed too; go on by hand, where jobs can be submitted: sbatch $script"
exit 3
