# Medians of the bench's cells as a table, then the targets. Input lines:
#
#     cell HAPROXY MODE requests/s p50 p99 haproxy-µs agent-µs   (times in µs)
#     trips HAPROXY MODE requests commands                       (to Redis)
#     memory NAME KiB
#
# Variables: markdown (0 or 1).

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

BEGIN {
	way["unix"] = "Unix socket"
	way["tcp"] = "TCP"
	split("rps p50 p99 haproxy agent", field, " ")
	format = markdown ? "| %s | %s | %s | %s | %s | %s |\n" : \
		"%-50s %10s %8s %8s %11s %9s\n"
	target_format = markdown ? "| %s | %s | %s | %s |\n" : \
		"%-56s %11s  %-16s %s\n"
}

$1 == "cell" {
	cell = $2 " " $3
	if (!(cell in seen)) {
		seen[cell] = 1
		cells[++n_cells] = cell
	}
	for (i = 1; i <= 5; i++)
		put(cell " " field[i], $(i + 3))
}

$1 == "trips" { put("trips " $3, $5 / $4) }

$1 == "memory" { memory[$2] = $3 }

END {
	micro = markdown ? " µs" : " us"
	printf format, "CPU is per request", "requests/s", "p50 ms", "p99 ms", \
		"HAProxy" micro, "agent" micro
	if (markdown)
		printf format, "---", "---:", "---:", "---:", "---:", "---:"
	for (i = 1; i <= n_cells; i++) {
		split(cells[i], part, " ")
		printf format, describe(part[1], part[2]), \
			sprintf("%.0f", median(cells[i] " rps")), \
			sprintf("%.2f", median(cells[i] " p50") / 1000), \
			sprintf("%.2f", median(cells[i] " p99") / 1000), \
			sprintf("%.1f", median(cells[i] " haproxy")), \
			part[1] == "alone" ? "" : \
			sprintf("%.1f", median(cells[i] " agent"))
	}
	printf "\n"
	printf target_format, "target (first requests, Unix socket, none)", \
		"measured", "wanted", ""
	if (markdown)
		printf target_format, "---", "---:", "---", "---"
	ours = "none-unix first "
	ack = "ack-unix first "
	target("agent CPU, times that of the ACK-only agent", \
		median(ours "agent") / median(ack "agent"), 1.8, 0, "")
	target("agent CPU, times HAProxy's own", \
		median(ours "agent") / median(ours "haproxy"), 0.35, 0, "")
	target("throughput, times that with the ACK-only agent", \
		median(ours "rps") / median(ack "rps"), 0.9, 1, "")
	target("agent CPU with Redis, times that with LMDB", \
		median("redis-unix first agent") / median(ours "agent"), 1.3, 0, "")
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
