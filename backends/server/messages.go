package server

import "log/slog"

// The messages of the server's log. They stay the same from release to release, as others search for them;
// what differs from case to case stands in the attributes.
const (
	msgOpened      = "connection opened"
	msgClosed      = "connection closed"
	msgViolation   = "connection ended with an error"
	msgDropped     = "packets discarded"
	msgNoPauseFull = "engine can't pause reading: connections with a full outbox are closed, as with overflow=close"
	msgNoPauseRate = "engine can't pause reading: connections above their rate are closed"
	msgDraining    = "draining"
	msgClosing     = "closing at once"
	msgStopped     = "stopped"
	msgFailed      = "stopped by a failure"
	msgChanged     = "configuration changed"
	msgUnchanged   = "configuration unchanged"
	msgRefused     = "configuration refused"
)

// Message is a line that may be in the log.
type Message struct {
	Level slog.Level
	Text  string
}

// Messages are those of the server itself. An engine has its own, with the attribute engine.
func Messages() []Message {
	return []Message{
		{slog.LevelInfo, msgDraining}, {slog.LevelWarn, msgClosing}, {slog.LevelInfo, msgStopped}, {slog.LevelError, msgFailed},
		{slog.LevelInfo, msgChanged}, {slog.LevelInfo, msgUnchanged}, {slog.LevelError, msgRefused},
		{slog.LevelWarn, msgViolation}, {slog.LevelWarn, msgDropped}, {slog.LevelWarn, msgClosed}, {slog.LevelDebug, msgClosed},
		{slog.LevelDebug, msgOpened}, {slog.LevelWarn, msgNoPauseFull}, {slog.LevelWarn, msgNoPauseRate},
	}
}
