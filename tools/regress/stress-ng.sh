#!/bin/sh
# The stressors of memory management, one after the other, each for a number of operations: as TAP. The time is a bound
# for those whose operations are large; what one needs and this machine lacks is a skip.
OPS=${OPS:-100}
SECONDS_EACH=${SECONDS_EACH:-4}

stressors=$(stress-ng --class 'vm?' | sed 's/.*: //')
[ -n "$stressors" ] || exit 1
echo "TAP version 13"
echo "1..$(echo "$stressors" | wc -w)"
number=0
for stressor in $stressors; do
	number=$((number + 1))
	said=$(stress-ng --seed 1 --verify --oom-avoid --timeout "$SECONDS_EACH" --temp-path /tmp \
		"--$stressor" 1 "--$stressor-ops" "$OPS" 2>&1)
	code=$?
	# Where it fails, the lines before tell why.
	[ "$code" -eq 0 ] || echo "$said" | sed 's/^/# /'
	why=$(echo "$said" | grep -m 1 -i 'skipp\|not implemented' | sed 's/.*\] //')
	case $code in
	0) echo "ok $number $stressor" ;;
	3 | 4) echo "ok $number $stressor # SKIP ${why:-no reason given}" ;;
	*) echo "not ok $number $stressor" ;;
	esac
done
