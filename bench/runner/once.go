package runner

import (
	"context"
	"time"

	"echosrv/bench/load"
	"echosrv/bench/result"
)

// Target is a server that is already there.
type Target struct {
	Address string
	Raw     bool
	// CPUs that the client's loops are pinned to; none: not pinned.
	CPUs []int
	// Observe is told about once per second where the run stands; nil: nobody is.
	Observe func(load.Snapshot)
}

// Once loads a server that this program didn't start. When ctx ends, the file holds what was measured until
// then and is marked partial. The error is for a server that can't be loaded at all.
func Once(ctx context.Context, t Target, cell result.Cell) (*result.File, error) {
	config, err := Load(cell, t.CPUs)
	if err != nil {
		return nil, err
	}
	config.Address, config.Raw, config.Progress = t.Address, t.Raw, t.Observe
	config.DrainTimeout = 0 // its default: nobody waits for the next round
	if cell.Name == "" {
		cell.Name = Name(cell)
	}
	f := &result.File{
		Schema: result.Schema, Kind: result.KindRun, Started: time.Now(), Rounds: 1,
		Manifest: collect(Placement{Client: t.CPUs}), Cells: []result.Cell{cell},
		Contestants: []result.Contestant{{Name: t.Address, Raw: t.Raw}},
	}
	run := result.Run{Started: f.Started}
	got, err := load.Run(ctx, config)
	if err != nil {
		return nil, err
	}
	outcome(&run, got)
	f.Runs = append(f.Runs, run)
	f.Elapsed = time.Since(f.Started)
	if ctx.Err() != nil {
		f.Partial, f.Reason = true, context.Cause(ctx).Error()
		f.Runs[0].Invalid = ""
	}
	return f, nil
}
