# What is classified; every script reads this one file, so that all shares are given the same.
# The folders must be seen by all nodes.
OPTIONS=(
  --mosaic "${MOSAIC:?set MOSAIC}"
  --catalogue "${CATALOGUE:?set CATALOGUE}"
  --model "${MODEL:?set MODEL: a folder, see the how-to}"
  --output "${OUTPUT:?set OUTPUT}"
  --device cpu
)
# One thread per process: a share computes with one.
export OMP_NUM_THREADS=1
