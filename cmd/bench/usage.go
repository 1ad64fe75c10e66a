package main

import (
	"errors"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"echosrv/cmd/internal/flagerror"
)

// onUsageError keeps the command-line package from printing its help in front of the error.
func onUsageError(c *cli.Context, err error, _ bool) error {
	return usageError{errors.New(flagerror.Text(c.Command.Flags, err))}
}

// noArguments refuses what stands on the command line besides flags.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("unexpected argument %q: bench %s takes only flags", c.Args().First(), c.Command.Name)
	}
	return nil
}

// flagsFirst moves the flags of a command in front of its arguments, because the command-line package
// takes everything after the first argument for arguments. What follows "--" stays where it is.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) < 3 {
		return args
	}
	c := app.Command(args[1])
	if c == nil {
		return args
	}
	var flags, rest []string
	for i := 2; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--":
			return slices.Concat(args[:2], flags, args[i:i+1], rest, args[i+1:])
		case len(a) < 2 || a[0] != '-':
			rest = append(rest, a)
		default:
			flags = append(flags, a)
			switch {
			case !takesValue(c, a):
			case i+1 == len(args):
				return slices.Concat(args[:2], flags) // so that no argument is taken for the missing value
			default:
				i++
				flags = append(flags, args[i])
			}
		}
	}
	return slices.Concat(args[:2], flags, rest)
}

// takesValue says whether the next argument belongs to a flag.
func takesValue(c *cli.Command, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	for _, f := range c.Flags {
		if !slices.Contains(f.Names(), name) {
			continue // also for name=value, which has its value
		}
		_, isBool := f.(*cli.BoolFlag)
		return !isBool
	}
	return false
}

// version describes the build: the module's version or revision, and the Go release.
func version() string {
	v := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		v = info.Main.Version
	}
	return v + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
