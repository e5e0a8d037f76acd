#!/usr/bin/env bash
# Draws what `TABLE=FILE compat-tests/bench.sh relay` has kept: plot.sh TABLE SVG.
#
# On no background and in colours that are legible on a light page and on a dark one.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"

(($# == 2)) || die "usage: ${0##*/} TABLE SVG"
need gnuplot gnuplot-nox
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
targets=(refit haproxy haproxy-http nginx socat)

# panel FILE UNIT ABOVE MEASURE|CONNECTIONS|NAME...: a line for each, with a number for each target;
# where ABOVE is 1, what of it lies above the direct number.
panel() {
    awk -F '\t' -v unit="$2" -v above="$3" -v measures="$(printf ';%s' "${@:4}")" \
        -v targets="${targets[*]}" '
        $1 == "canned" && $4 == unit { value[$2 "|" $3, $5] = $6 }
        END {
            OFS = "\t"
            count = split(substr(measures, 2), measure, ";")
            split(targets, target, " ")
            for (m = 1; m <= count; m++) {
                split(measure[m], part, "|")
                key = part[1] "|" part[2]
                line = "\"" part[3] "\""
                for (t = 1; t in target; t++) {
                    known = (key, target[t]) in value
                    line = line "\t" (known ? value[key, target[t]] - above * value[key, "direct"] : "-")
                }
                print line
            }
        }' "$table" >"$scratch/$1"
}

table=$1
ping="GET /_ping, keep-alive"
each="GET /_ping, connection per request"
panel added "p50 µs" 1 "$ping|1|/_ping" "tunnel|1|round trip through a tunnel"
panel kept requests/s 0 "$ping|1|1" "$ping|16|16" "$ping|64|64"
panel each requests/s 0 "$each|1|1" "$each|16|16" "$each|64|64"
panel cpu "CPU s/GiB" 0 "download in chunks|1|download" "upload in chunks|1|upload"

gnuplot <<PLOT
set terminal svg size 880,560 font "sans-serif,13" noenhanced
set output "$2"
grey = "#8a8a8a"
set border 3 lc rgb grey
set tics nomirror textcolor rgb grey scale 0.5
unset key
set title textcolor rgb grey
set grid y lc rgb "#40808080" lt 1
set style data histogram
set style histogram cluster gap 1
set style fill solid noborder
set boxwidth 0.9
set xrange [-0.6:*]
set yrange [0:*]
set datafile missing "-"
set format y "%.6g"
color(n) = word("#f76707 #228be6 #74c0fc #40a868 #9a9a9a", n)
name(n) = word("${targets[*]}", n)
set multiplot layout 2,2 margins 0.07,0.98,0.07,0.86 spacing 0.09,0.17
do for [n=1:5] { set label n "■ ".name(n) at screen 0.05+0.16*n,0.96 textcolor rgb color(n) }
set title "µs added to the median, one connection"
plot for [n=1:5] "$scratch/added" using n+1:xtic(1) lc rgb color(n) 
unset label
set title "requests/s at 1, 16 and 64 connections"
plot for [n=1:5] "$scratch/kept" using n+1:xtic(1) lc rgb color(n)
set title "requests/s, a connection for each, at 1, 16 and 64"
plot for [n=1:5] "$scratch/each" using n+1:xtic(1) lc rgb color(n)
set title "CPU seconds for each GiB"
plot for [n=1:5] "$scratch/cpu" using n+1:xtic(1) lc rgb color(n)
PLOT
