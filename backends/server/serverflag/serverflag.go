// Package serverflag gives the settings of a server as command-line flags, for every command that starts
// one.
package serverflag

import (
	"slices"

	"github.com/urfave/cli/v2"

	"echosrv/backends/server"
)

// Flags are one flag for each setting. They check what they are given but keep it to themselves: see Given.
// Those named in hidden are accepted and not shown.
func Flags(hidden ...string) []cli.Flag {
	defaults := server.DefaultOptions()
	var flags []cli.Flag
	for _, s := range server.Settings() {
		flags = append(flags, &cli.GenericFlag{
			Name: s.Name, Usage: s.Help, Category: s.Group, Value: s.In(&defaults), Hidden: slices.Contains(hidden, s.Name),
		})
	}
	return flags
}

// Given returns the flags that were set on the command line, in front of a subcommand or behind it, by
// name and as text for server.Options.Set.
func Given(c *cli.Context) map[string]string {
	given := map[string]string{}
	for _, level := range slices.Backward(c.Lineage()) {
		for _, name := range level.LocalFlagNames() {
			if value, ok := level.Generic(name).(server.Value); ok {
				given[name] = value.String()
			}
		}
	}
	return given
}

// Options are the defaults changed by the flags that were given, and by nothing else.
func Options(c *cli.Context) (server.Options, error) {
	o, _, err := server.Source{Flags: Given(c)}.Load()
	return o, err
}
