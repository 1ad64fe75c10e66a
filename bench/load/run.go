package load

import "context"

// Run loads the server as c says and returns what it measured. Its error is for what kept it from
// measuring at all: a Config that can't be, a limit of this machine, a server that took no connection.
// Everything that happens later is in the Result. When ctx ends Run returns soon, with what was measured
// until then and Result.Partial set.
func Run(ctx context.Context, c Config) (*Result, error) {
	panic("not built yet")
}
