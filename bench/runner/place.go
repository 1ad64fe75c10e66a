package runner

import (
	"fmt"
	"slices"
)

// Placement is which CPUs the server and the client get.
type Placement struct {
	// Server and Client are empty where processes can't be placed.
	Server, Client []int
	// Notes are sentences for the reader of the figures, such as that the two share CPUs.
	Notes []string
}

// core is the CPUs that share one core's execution units.
type core []int

// place deals whole cores, the first to the server, so that the two sides share no core unless there are
// too few. A machine with one CPU is shared.
func place(cores []core, serverThreads, clientThreads int) Placement {
	total := 0
	for _, c := range cores {
		total += len(c)
	}
	if total < 2 {
		cpus := slices.Concat(cores...)
		return Placement{Server: cpus, Client: cpus, Notes: []string{
			"There is one CPU: server and client share it, so throughput and latency say little; CPU time per packet holds."}}
	}
	var p Placement
	if len(cores) < 2 {
		p.Notes = append(p.Notes, "There is one core: server and client are on its sibling threads, which slow each other.")
		cores = []core{cores[0][:1], cores[0][1:]}
	}
	next := 0
	take := func(want, leave int) (cpus []int) {
		for len(cpus) < want && next < len(cores)-leave {
			for _, n := range cores[next] {
				if len(cpus) < want {
					cpus = append(cpus, n)
				}
			}
			next++
		}
		return cpus
	}
	p.Server = take(serverThreads, 1)
	p.Client = take(clientThreads, 0)
	if len(p.Server) < serverThreads {
		p.Notes = append(p.Notes, fmt.Sprintf("%d of the server's %d threads have a CPU of their own, because the client needs one too; --server-cpus and --client-cpus let them share.", len(p.Server), serverThreads))
	}
	if len(p.Client) < clientThreads {
		p.Notes = append(p.Notes, fmt.Sprintf("%d of the client's %d threads have a CPU of their own.", len(p.Client), clientThreads))
	}
	return p
}

// Place chooses disjoint CPUs for a server and a client with so many threads, from those that this process
// may use.
func Place(serverThreads, clientThreads int) Placement {
	cores, err := topology()
	if err != nil || len(cores) == 0 {
		return Placement{Notes: []string{fmt.Sprintf("Server and client are not pinned to CPUs: %v.", err)}}
	}
	return place(cores, serverThreads, clientThreads)
}

// CPUs is how many CPUs this process may use; at least 1.
func CPUs() int {
	cores, err := topology()
	if err != nil {
		return 1
	}
	n := 0
	for _, c := range cores {
		n += len(c)
	}
	return max(1, n)
}
