#!/bin/sh
# isa_isolation.sh NM PREFIX OBJECT...: fails if an object defines a symbol that other objects can see and whose name does
# not contain PREFIX. The linker keeps one copy of an inline function that several objects define; were it one that was
# compiled for a wide instruction set, the path for narrow CPUs would die of an illegal instruction.
set -eu
nm=$1 prefix=$2
shift 2
[ $# -gt 0 ] || { echo "no objects to look at"; exit 1; }
status=0
for object in "$@"; do
  symbols=$("$nm" --demangle --extern-only --defined-only --no-sort "$object")
  leaks=$(echo "$symbols" | sed -E '/^$/d; s/^[0-9a-fA-F]* *[A-Za-z] //' | grep -v -F -e "$prefix" || true)
  if [ -n "$leaks" ]; then
    echo "$object defines symbols outside $prefix:"
    echo "$leaks"
    status=1
  fi
done
exit $status
