package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

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
	count, left := fmt.Sprint(now.Done), ""
	if now.Total > 0 {
		count, left = fmt.Sprintf("%d/%d", now.Done, now.Total), fmt.Sprintf("; %s left", table.Seconds(now.Left))
	}
	p.show(fmt.Sprintf("[%s] %s, %s: %s%s", count, now.Contestant, now.Cell, summary(now), left))
}

// show draws over the line on a terminal, cut to its width as a second line couldn't be drawn over.
func (p *progress) show(text string) {
	if !p.terminal {
		fmt.Fprintln(p.w, text)
		return
	}
	if width, _, err := term.GetSize(int(p.w.(*os.File).Fd())); err == nil && len(text) >= width {
		text = text[:max(0, width-1)]
	}
	fmt.Fprint(p.w, clearLine+text)
	p.drawn = true
}

func summary(now runner.Progress) string {
	switch {
	case now.Run.Failed != "":
		return "failed: " + now.Run.Failed
	case now.Run.Invalid != "":
		return "INVALID: " + now.Run.Invalid
	}
	if now.Run.Packets == 0 { // valid without any: the connections are there to be idle
		return table.Count(now.Run.IdleBytes()) + " resident bytes each"
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
	p.show(fmt.Sprintf("%s: %d connections, %s packets/s, %d failures; %s left", s.Phase, s.Connections, table.Count(s.Rate), s.Failures, table.Seconds(s.Remaining)))
}
