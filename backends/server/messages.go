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
	msgStopping    = "stopping"
	msgDraining    = "draining"
	msgClosing     = "closing at once"
	msgStopped     = "stopped"
	msgFailed      = "stopped by a failure"
	msgChanged     = "configuration changed"
	msgUnchanged   = "configuration unchanged"
	msgRefused     = "configuration refused"
	msgAdminEnded  = "admin server ended"
)

// Message is a line that may be in the log.
type Message struct {
	Level slog.Level
	Text  string
	When  string // it is written, as half a sentence
}

// Messages are those of the server itself. An engine has its own, with the attribute engine.
func Messages() []Message {
	return []Message{
		{slog.LevelInfo, msgStopping, "the first signal to stop came"},
		{slog.LevelInfo, msgDraining, "clients are being asked to finish; `connections` are open, `timeout` bounds it"},
		{slog.LevelWarn, msgClosing, "a second signal came, or the drain took too long; `bytes_waiting` are replies not yet taken"},
		{slog.LevelInfo, msgStopped, "the server ended; the attributes count what it did"},
		{slog.LevelError, msgFailed, "the engine ended without being asked"},
		{slog.LevelInfo, msgChanged, "a reload or a PATCH took effect; one attribute for each difference"},
		{slog.LevelInfo, msgUnchanged, "a reload or a PATCH made no difference"},
		{slog.LevelError, msgRefused, "a reload or a PATCH had a fault: nothing changed"},
		{slog.LevelWarn, msgViolation, "a client broke a rule or a limit and was sent an ERROR with this `code` and `reason`"},
		{slog.LevelWarn, msgDropped, "an outbox was full under overflow=drop"},
		{slog.LevelWarn, msgClosed, "the server gave a connection up without an ERROR, such as after write-timeout"},
		{slog.LevelDebug, msgClosed, "any connection ended, `cause` and `reason` say why"},
		{slog.LevelDebug, msgOpened, "a connection was accepted"},
		{slog.LevelWarn, msgNoPauseFull, "the server starts, or is set so, with an engine that can't do better"},
		{slog.LevelWarn, msgNoPauseRate, "the same, with a rate"},
		{slog.LevelError, msgAdminEnded, "the admin server failed; connections are not concerned"},
	}
}

// LogStopping writes the line for the first signal.
func (s *Server) LogStopping(signal string) { s.log.Info(msgStopping, "signal", signal) }

// LogAdminEnded writes the line for an admin server that failed.
func (s *Server) LogAdminEnded(err error) { s.log.Error(msgAdminEnded, "error", err) }
