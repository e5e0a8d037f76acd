# The tables: medians, and how they compare; the medians go to $table, too.

# requests_table MEASURE CONNECTIONS: what is added is added to the median, since a few that had to wait
# for a CPU make any mean.
requests_table() {
    local target
    echo
    echo "$backend: $1, $2 at a time; medians of $rounds rounds"
    for target in "${targets[@]}"; do
        echo "$target $(column "$target" rate 1) $(column "$target" times 3) $(column "$target" times 4)"
    done | compare "$1" "$2" requests/s /direct /haproxy "p50 µs" +added /haproxy "p99 µs"
}

# streams_table MEASURE
streams_table() {
    local target
    echo
    echo "$backend: $1, $bytes bytes; medians of ${STREAM_ROUNDS:-5} rounds"
    for target in "${targets[@]}"; do
        echo "$target $(column "$target" stream 1) $(column "$target" stream 2)"
    done | awk -v gib="$((bytes >> 20))" '
        { print $1, gib / 1024 / $2, $1 == "direct" ? "" : $3 * 1024 / gib }' |
        compare "$1" 1 GiB/s /direct /haproxy "CPU s/GiB" /haproxy
}

tunnels_table() {
    local target
    echo
    echo "$backend: round trip through a tunnel; medians of $rounds rounds"
    for target in "${targets[@]}"; do
        echo "$target $(column "$target" tunnel 2) $(column "$target" tunnel 3)"
    done | compare "tunnel" 1 "p50 µs" +added /haproxy "p99 µs"
}

memory_table() {
    local target idle held
    echo
    echo "resident memory, idle and with $idle_tunnels idle tunnels"
    for target in "${targets[@]}"; do
        [[ -f $scratch/$target.memory ]] || continue
        read -r idle held <"$scratch/$target.memory"
        echo "$target $(awk "BEGIN { print $idle / 1024, ($held - $idle) / $idle_tunnels }")"
    done | compare "memory" "$idle_tunnels" "idle MiB" /haproxy "KiB/tunnel" /haproxy
}

# compare MEASURE CONNECTIONS COLUMN...: prints what comes on stdin, a target and its numbers in each
# line, and appends it to $table.
#
# A column that begins with + is what the column before has above the direct one's; /TARGET is the
# ratio of the last column that is no ratio to TARGET's.
compare() {
    local start
    start=$(printf '%s\t%s\t%s' "$backend" "$1" "$2")
    shift 2
    # In bytes, since not every awk knows characters.
    LC_ALL=C awk -v start="$start" -v columns="$(printf '%s|' "$@")" -v table="$table" '
        { target[NR] = $1; row[$1] = NR; for (i = 2; i <= NF; i++) number[NR, i - 1] = $i }
        function is_known(n) { return n && (n, source) in cell }
        function fill(n, kind, base) {
            if (kind == "/") {
                if (is_known(n) && is_known(base) && cell[base, source] > 0)
                    cell[n, c] = cell[n, source] / cell[base, source]
            } else if (kind == "+") {
                if (is_known(base) && n != base) cell[n, c] = cell[n, source] - cell[base, source]
            } else if ((n, numbers) in number) {
                cell[n, c] = number[n, numbers]
                print start, title, target[n], cell[n, c] >>table
            }
        }
        END {
            OFS = "\t"
            count = split(columns, column, "|") - 1
            for (c = 1; c <= count; c++) {
                title = column[c]
                kind = substr(title, 1, 1)
                base = kind == "+" ? row["direct"] : row[substr(title, 2)]
                numbers += kind !~ /[+\/]/
                for (n = 1; n <= NR; n++) fill(n, kind, base)
                if (kind != "/") source = c
                sub(/^\//, "× ", title)
                sub(/^\+/, "", title)
                # A character is as many bytes longer as it has continuations.
                heading = heading sprintf("%*s", 12 + gsub(/[\200-\277]/, "&", title), title)
            }
            printf "%-12s%s\n", "", heading
            for (n = 1; n <= NR; n++) {
                printf "%-12s", target[n]
                for (c = 1; c <= count; c++)
                    printf "%12s", (n, c) in cell ? sprintf("%.2f", cell[n, c]) : ""
                print ""
            }
        }'
}
