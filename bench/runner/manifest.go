package runner

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"echosrv/bench/result"
)

// collect describes this machine and this program.
func collect(p Placement) result.Manifest {
	m := result.Manifest{
		Command: os.Args, OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(), CPUs: CPUs(),
		ServerCPUs: p.Server, ClientCPUs: p.Client, Build: map[string]string{}, Modules: map[string]string{},
	}
	m.Hostname, _ = os.Hostname()
	if info, ok := debug.ReadBuildInfo(); ok {
		m.Version = info.Main.Version
		for _, s := range info.Settings {
			m.Build[s.Key] = s.Value
		}
		for _, d := range info.Deps {
			m.Modules[d.Path] = d.Version
		}
	}
	describe(&m)
	return m
}

// format writes CPUs as the kernel does, such as "0-2,5".
func format(cpus []int) string {
	var parts []string
	for i := 0; i < len(cpus); {
		end := i
		for end+1 < len(cpus) && cpus[end+1] == cpus[end]+1 {
			end++
		}
		part := strconv.Itoa(cpus[i])
		if end > i {
			part += "-" + strconv.Itoa(cpus[end])
		}
		parts = append(parts, part)
		i = end + 1
	}
	return strings.Join(parts, ",")
}
