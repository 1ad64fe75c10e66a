package result

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// column is one column of the CSV: a run's value as text, empty where it isn't known.
type column struct {
	name  string
	value func(f *File, r *Run) string
}

var columns = []column{
	{"cell", func(f *File, r *Run) string { return f.Cells[r.Cell].Name }},
	{"contestant", func(f *File, r *Run) string { return f.Contestants[r.Contestant].Name }},
	{"round", func(_ *File, r *Run) string { return strconv.Itoa(r.Round) }},
	{"order", func(_ *File, r *Run) string { return strconv.Itoa(r.Order) }},
	{"failed", func(_ *File, r *Run) string { return r.Failed }},
	{"window_ns", func(_ *File, r *Run) string { return integer(r.Window) }},
	{"packets", func(_ *File, r *Run) string { return integer(r.Packets) }},
	{"payload_bytes", func(_ *File, r *Run) string { return integer(r.Bytes) }},
	{"packets_per_second", func(_ *File, r *Run) string { return decimal(r.PerSecond()) }},
	{"server_cpu_ns_per_packet", func(_ *File, r *Run) string {
		cost, known := r.CPUPerPacket()
		return when(known, decimal(cost))
	}},
	{"server_cpu_ns", func(_ *File, r *Run) string { return when(r.Server.Known, integer(r.Server.CPU)) }},
	{"client_cpu_ns", func(_ *File, r *Run) string { return when(r.Client.Known, integer(r.Client.CPU)) }},
	{"p50_ns", percentile(50)}, {"p90_ns", percentile(90)}, {"p99_ns", percentile(99)}, {"p99.9_ns", percentile(99.9)},
	{"max_ns", func(_ *File, r *Run) string { return when(r.Response != nil, integer(r.Response.Slowest())) }},
	{"server_rss_bytes", func(_ *File, r *Run) string { return when(r.Server.RSS > 0, integer(r.Server.RSS)) }},
	{"server_rss_before_bytes", func(_ *File, r *Run) string { return when(r.Server.RSSBefore > 0, integer(r.Server.RSSBefore)) }},
	{"socket_bytes", func(_ *File, r *Run) string { return when(r.Host.Known, integer(r.Host.SocketBytes)) }},
	{"voluntary_switches", func(_ *File, r *Run) string { return when(r.Server.Known, integer(r.Server.Voluntary)) }},
	{"involuntary_switches", func(_ *File, r *Run) string { return when(r.Server.Known, integer(r.Server.Involuntary)) }},
	{"connections_asked", func(_ *File, r *Run) string { return strconv.Itoa(r.Asked) }},
	{"connections_established", func(_ *File, r *Run) string { return strconv.Itoa(r.Established) }},
	{"connections_lost", func(_ *File, r *Run) string { return strconv.Itoa(r.Lost) }},
	{"mismatches", func(_ *File, r *Run) string { return integer(r.Mismatches) }},
	{"errors", func(_ *File, r *Run) string { return r.errorText() }},
	{"not_sustained", func(_ *File, r *Run) string { return strconv.FormatBool(r.NotSustained) }},
	{"backlog", func(_ *File, r *Run) string { return integer(r.Backlog) }},
	{"stolen_share", func(_ *File, r *Run) string { return when(r.Host.Known, decimal(r.Host.Stolen)) }},
	{"other_load_share", func(_ *File, r *Run) string { return when(r.Host.Known, decimal(r.Host.Other)) }},
}

func percentile(p float64) func(*File, *Run) string {
	return func(_ *File, r *Run) string { return when(r.Response != nil, integer(r.Response.At(p))) }
}

func integer[T ~int64 | ~uint64](n T) string { return fmt.Sprintf("%d", n) }

func decimal(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

func when(known bool, text string) string {
	if known {
		return text
	}
	return ""
}

func (r *Run) errorText() string {
	var parts []string
	for _, e := range r.Errors {
		parts = append(parts, fmt.Sprintf("%s: %d", e.Cause, e.Count))
	}
	return strings.Join(parts, "; ")
}

// CSV writes one line for each run under a line of column names.
func (f *File) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	record := make([]string, len(columns))
	for i, c := range columns {
		record[i] = c.name
	}
	out.Write(record)
	for i := range f.Runs {
		for k, c := range columns {
			record[k] = c.value(f, &f.Runs[i])
		}
		out.Write(record)
	}
	out.Flush()
	return out.Error()
}
