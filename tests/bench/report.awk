# Medians of the bench's cells as a table, then the targets. Input lines:
#
#     cell HAPROXY MODE CONNECTIONS requests/s p50 p99 haproxy-µs agent-µs
#                                                     (times in µs)
#     trips HAPROXY MODE requests commands                       (to Redis)
#     memory NAME KiB
#
# Variables: markdown (0 or 1); few and many, connections.

function median(key,    n, i, j, v, sorted) {
	n = count[key]
	for (i = 1; i <= n; i++) {
		v = value[key, i]
		for (j = i - 1; j >= 1 && sorted[j] > v; j--)
			sorted[j + 1] = sorted[j]
		sorted[j + 1] = v
	}
	return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}

function put(key, v) {
	value[key, ++count[key]] = v
}

# The median of what one cell is to another in the same round: they were measured
# one after the other, and the machine is not always as fast.
function ratio(cell, base, what,    i, key) {
	key = "ratio " cell " " base " " what
	if (!(key in count))
		for (i = 1; i <= count[cell " " what]; i++)
			put(key, value[cell " " what, i] / value[base " " what, i])
	return median(key)
}

function describe(haproxy, mode,    part) {
	if (haproxy == "alone")
		return "HAProxy alone"
	split(haproxy, part, "-")
	if (part[1] == "ack")
		return "agent that only ACKs, " way[part[2]]
	if (part[1] == "gather")
		return "agent that only ACKs and gathers, " way[part[2]]
	if (part[1] == "redis")
		return "ours, Redis over " way[part[2]] ", " \
			(mode == "first" ? "first requests" : "replays")
	return "ours, durability " part[1] ", " way[part[2]] ", " \
		(mode == "first" ? "first requests" : "replays")
}

function target(text, v, limit, least, unit,    met) {
	met = least ? v >= limit : v <= limit
	printf target_format, text, sprintf("%.2f%s", v, unit), \
		sprintf("%s %s%s", least ? "at least" : "at most", limit, unit), \
		met ? "met" : "MISSED"
}

function row(cell,    part) {
	split(cell, part, " ")
	printf format, describe(part[1], part[2]), part[3], \
		sprintf("%.0f", median(cell " rps")), \
		sprintf("%.2f", median(cell " p50") / 1000), \
		sprintf("%.2f", median(cell " p99") / 1000), \
		sprintf("%.1f", median(cell " haproxy")), \
		part[1] == "alone" ? "" : sprintf("%.1f", median(cell " agent"))
}

# What the targets are about, with so many connections.
function compare(connections,    ours, ack) {
	ours = "none-unix first " connections
	ack = "ack-unix first " connections
	target(connections " connections: agent CPU, times the ACK-only agent's", \
		ratio(ours, ack, "agent"), 1.8, 0, "")
	target(connections " connections: agent CPU, times HAProxy's own", \
		median(ours " agent") / median(ours " haproxy"), 0.35, 0, "")
	target(connections " connections: throughput, times the ACK-only agent's", \
		ratio(ours, ack, "rps"), 0.9, 1, "")
}

BEGIN {
	way["unix"] = "Unix socket"
	way["tcp"] = "TCP"
	split("rps p50 p99 haproxy agent", field, " ")
	format = markdown ? "| %s | %s | %s | %s | %s | %s | %s |\n" : \
		"%-50s %11s %10s %7s %7s %10s %8s\n"
	target_format = markdown ? "| %s | %s | %s | %s |\n" : \
		"%-56s %11s  %-16s %s\n"
}

$1 == "cell" {
	cell = $2 " " $3 " " $4
	if (!(cell in seen)) {
		seen[cell] = 1
		cells[$2, ++n_cells[$2]] = cell
	}
	for (i = 1; i <= 5; i++)
		put(cell " " field[i], $(i + 4))
}

$1 == "trips" { put("trips " $3, $5 / $4) }

$1 == "memory" { memory[$2] = $3 }

END {
	micro = markdown ? " µs" : " us"
	printf format, "CPU is per request", "connections", "requests/s", "p50 ms", \
		"p99 ms", "HAProxy" micro, "agent" micro
	if (markdown)
		printf format, "---", "---:", "---:", "---:", "---:", "---:", "---:"
	n = split("alone ack-unix ack-tcp gather-unix none-unix none-tcp" \
		" commit-unix commit-tcp redis-unix redis-tcp", haproxies, " ")
	for (i = 1; i <= n; i++)
		for (k = 1; k <= n_cells[haproxies[i]]; k++)
			row(cells[haproxies[i], k])
	printf "\n"
	printf target_format, "target (first requests, Unix socket, none)", \
		"measured", "wanted", ""
	if (markdown)
		printf target_format, "---", "---:", "---", "---"
	compare(few)
	compare(many)
	target("agent CPU with Redis, times that with LMDB", \
		ratio("redis-unix first " few, "none-unix first " few, "agent"), \
		1.3, 0, "")
	target("round trips to Redis of a first request", \
		median("trips first"), 2.05, 0, "")
	target("round trips to Redis of a replay", \
		median("trips replay"), 1.05, 0, "")
	target("RSS when idle, one thread", memory["idle"] / 1024, 12, 0, " MiB")
	if ("records" in memory)
		target("anonymous memory added by " memory["count"] " records", \
			memory["records"] / 1024, 64, 0, " MiB")
	printf "%sRSS after the run: %.1f MiB (%.1f MiB of it anonymous)\n", \
		markdown ? "\n" : "", memory["after"] / 1024, memory["anon"] / 1024
}
