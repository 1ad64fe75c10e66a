package main

import (
	"fmt"
	"io"

	"echosrv/bench/load"
	"echosrv/bench/runner"
	"echosrv/bench/table"
)

// progress shows where a measurement stands: one line that is drawn over on a terminal, or else a line for
// each run.
type progress struct {
	w        io.Writer
	terminal bool
	drawn    bool
}

func newProgress(w io.Writer) *progress { return &progress{w: w, terminal: terminal(w)} }

// clearLine returns to the start of the line and erases it (ECMA-48, erase in line).
const clearLine = "\r\x1b[K"

func (p *progress) observe(now runner.Progress) {
	text := fmt.Sprintf("[%d/%d] %s, %s: %s; %s left", now.Done, now.Total, now.Contestant, now.Cell, summary(now), table.Seconds(now.Left))
	if p.terminal {
		fmt.Fprint(p.w, clearLine+text)
		p.drawn = true
		return
	}
	fmt.Fprintln(p.w, text)
}

func summary(now runner.Progress) string {
	switch {
	case now.Run.Failed != "":
		return "failed: " + now.Run.Failed
	case now.Run.Invalid != "":
		return "INVALID: " + now.Run.Invalid
	}
	text := table.Count(now.Run.PerSecond()) + " packets/s"
	if cost, known := now.Run.CPUPerPacket(); known {
		text += ", server " + table.Count(cost) + " ns/packet"
	}
	return text
}

// done leaves the terminal's line empty for what follows.
func (p *progress) done() {
	if p.drawn {
		fmt.Fprint(p.w, clearLine)
	}
}

// snapshot shows where a single run stands.
func (p *progress) snapshot(s load.Snapshot) {
	text := fmt.Sprintf("%s: %d connections, %s packets/s, %d failures; %s left", s.Phase, s.Connections, table.Count(s.Rate), s.Failures, table.Seconds(s.Remaining))
	if p.terminal {
		fmt.Fprint(p.w, clearLine+text)
		p.drawn = true
		return
	}
	fmt.Fprintln(p.w, text)
}
