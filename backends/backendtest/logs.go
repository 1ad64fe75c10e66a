package backendtest

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// logCounter is a log handler that counts what an operator would see.
type logCounter struct{ lines *atomic.Int64 }

func countLogs(lines *atomic.Int64) *slog.Logger { return slog.New(logCounter{lines}) }

func (logCounter) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (c logCounter) Handle(context.Context, slog.Record) error { c.lines.Add(1); return nil }

func (c logCounter) WithAttrs([]slog.Attr) slog.Handler { return c }

func (c logCounter) WithGroup(string) slog.Handler { return c }
