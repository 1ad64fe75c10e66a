package server

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"echosrv/protocol/session"
)

// Change is a setting whose value was replaced.
type Change struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
}

// Diff lists the settings in which two sets of options differ.
func Diff(before, after *Options) []Change {
	var changes []Change
	for _, s := range Settings() {
		if a, b := s.In(before).String(), s.In(after).String(); a != b {
			changes = append(changes, Change{Name: s.Name, From: a, To: b})
		}
	}
	return changes
}

// Options are those in force.
func (s *Server) Options() Options {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options
}

// Reload reads the settings again and puts them in force as Reconfigure does. Changes that Update made and
// that the source doesn't have are lost. An error is logged and counted, and means that nothing changed.
func (s *Server) Reload(from Source) error {
	next, _, err := from.Load()
	if err != nil {
		s.refused("reload", err)
		return err
	}
	_, err = s.Reconfigure(next)
	return err
}

// Reconfigure puts next in force, all of it or, with an error, nothing. Only live settings may differ from
// the current ones. It returns what changed, which is also logged.
func (s *Server) Reconfigure(next Options) ([]Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changes, err := s.replace(next)
	if err != nil {
		s.refused("reload", err)
	}
	return changes, err
}

// Update changes the settings given by name and text, all of them or, with an error, none.
func (s *Server) Update(values map[string]string) ([]Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.options
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(values)) {
		wrong = append(wrong, next.Set(name, values[name]))
	}
	err := errors.Join(wrong...)
	var changes []Change
	if err == nil {
		changes, err = s.replace(next)
	}
	if err != nil {
		s.refused("update", err)
	}
	return changes, err
}

// refused takes note of a configuration that was not put in force.
func (s *Server) refused(what string, err error) {
	s.events.configRefusals.Add(1)
	s.log.Error(msgRefused, "by", what, "error", err)
}

// replace is Reconfigure for a caller that holds the lock.
func (s *Server) replace(next Options) ([]Change, error) {
	if err := next.Check(s.table); err != nil {
		return nil, err
	}
	changes := Diff(&s.options, &next)
	var fixed []string
	for _, c := range changes {
		if setting, _ := FindSetting(c.Name); !setting.Live {
			fixed = append(fixed, fmt.Sprintf("%s (%q now, %q wanted)", c.Name, c.From, c.To))
		}
	}
	if len(fixed) > 0 {
		return nil, Usage(fmt.Errorf("can't change while the server runs, restart it for: %s", strings.Join(fixed, ", ")))
	}
	if len(changes) == 0 {
		s.log.Info(msgUnchanged)
		return nil, nil
	}
	if err := s.apply(&next); err != nil {
		return nil, err
	}
	attrs := make([]any, 0, 2*len(changes))
	for _, c := range changes {
		attrs = append(attrs, c.Name, c.From+" -> "+c.To)
	}
	s.events.configChanges.Add(1)
	s.log.Info(msgChanged, attrs...)
	return changes, nil
}

// apply puts checked options in force.
func (s *Server) apply(next *Options) error {
	if err := s.service.Configure(s.sessionSettings(next)); err != nil {
		return Usage(err)
	}
	now, before := next.Session, s.options.Session
	if now.Outbox.Policy != before.Outbox.Policy || now.ConnectionRate != before.ConnectionRate || now.ServerRate != before.ServerRate {
		s.warnNoPause(now)
	}
	s.level.Set(next.LogLevel)
	s.options = *next
	return nil
}

// checkTimes finds durations that defeat each other.
func checkTimes(set *session.Settings) error {
	if set.Heartbeat > 0 && set.IdleTimeout > 0 && set.Heartbeat >= set.IdleTimeout {
		return fmt.Errorf("heartbeat=%s must be shorter than idle-timeout=%s, or no peer could answer in time", set.Heartbeat, set.IdleTimeout)
	}
	return nil
}
