# For tests that need a small file system of their own: runs the script again in a private mount
# namespace. Source it first, with the script's arguments. Where that is forbidden the test is
# skipped (exit code 77), and says so.
# shellcheck shell=bash

if [[ -z ${SPANRING_IN_NAMESPACE:-} ]]; then
    for option in --mount '--map-root-user --mount'; do
        # shellcheck disable=SC2086  # options
        if unshare $option sh -c 'mount -t tmpfs -o size=64k none /mnt' 2>/dev/null; then
            SPANRING_IN_NAMESPACE=1 exec unshare $option "$0" "$@"
        fi
    done
    echo "NOT TESTED: $(basename "$0") may not mount a tmpfs in a namespace of its own here" >&2
    exit 77
fi
