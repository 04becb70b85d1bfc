# shellcheck shell=bash
# The Python environment of THOR, for the study and for its workers: modules, conda, or the .venv that `make` installs.
# Set one of these before `sbatch`, or here:
#   THOR_MODULES="python/3.11 gcc"    environment modules, and a .venv made with them
#   THOR_CONDA_ENV=thor               a conda environment
if [[ -n ${THOR_MODULES:-} ]]; then
    read -ra modules <<<"$THOR_MODULES"
    module purge
    module load "${modules[@]}"
fi
if [[ -n ${THOR_CONDA_ENV:-} ]]; then
    set +u # scripts of conda use variables that are not set
    eval "$(conda shell.bash hook)"
    conda activate "$THOR_CONDA_ENV"
    set -u
elif [[ -f .venv/bin/activate ]]; then
    # shellcheck disable=SC1091
    source .venv/bin/activate
fi
export OMP_NUM_THREADS=1 # THOR distributes the work; libraries that start more threads only slow it down
