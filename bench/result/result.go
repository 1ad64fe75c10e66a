// Package result is what a measurement leaves behind: the file format, its versions, and the ways out of
// it (CSV, the text that benchstat reads, HdrHistogram logs). docs/results.md describes every field.
//
// A File holds what was measured and where, never what was concluded: medians, ratios and verdicts are
// computed from the runs by package verdict whenever they are shown, so that an old file is judged by
// today's rules and a file can't carry a conclusion that its own runs deny.
package result

import (
	"slices"
	"time"
)

// Schema is the version of the file format that this package writes. A change that an older reader would
// misunderstand raises it; a field that an older reader may ignore does not.
const Schema = 1

// Kind says which command made a file.
type Kind string

// The kinds there are.
const (
	KindCompare  Kind = "compare"
	KindRun      Kind = "run"
	KindCapacity Kind = "capacity"
	KindSweep    Kind = "sweep"
	KindMemory   Kind = "memory"
)

// File is one measurement from its manifest to its last run.
type File struct {
	Schema int  `json:"schema"`
	Kind   Kind `json:"kind"`
	// Partial: it was ended before all planned rounds; Reason says how.
	Partial bool   `json:"partial,omitempty"`
	Reason  string `json:"partial_reason,omitempty"`

	Started time.Time     `json:"started"`
	Elapsed time.Duration `json:"elapsed_ns"`
	// Baseline is the name of the contestant that ratios refer to.
	Baseline string `json:"baseline,omitempty"`
	// Rounds that were planned.
	Rounds      int          `json:"rounds"`
	Manifest    Manifest     `json:"manifest"`
	Cells       []Cell       `json:"cells"`
	Contestants []Contestant `json:"contestants"`
	Runs        []Run        `json:"runs"`
	// Capacity holds the answers of bench capacity, one for each contestant.
	Capacity []Capacity `json:"capacity,omitempty"`
	// Notes are sentences that a reader of the figures must know, such as CPUs being shared.
	Notes []string `json:"notes,omitempty"`
}

// Manifest is where and with what it was measured.
type Manifest struct {
	Command    []string          `json:"command"`
	Hostname   string            `json:"hostname,omitempty"`
	OS         string            `json:"os"`
	Arch       string            `json:"arch"`
	Kernel     string            `json:"kernel,omitempty"`
	CPU        string            `json:"cpu_model,omitempty"`
	CPUs       int               `json:"cpus"`
	Memory     int64             `json:"memory_bytes,omitempty"`
	Go         string            `json:"go"`
	Version    string            `json:"version,omitempty"`
	Build      map[string]string `json:"build,omitempty"`
	Modules    map[string]string `json:"modules,omitempty"`
	ServerCPUs []int             `json:"server_cpus,omitempty"`
	ClientCPUs []int             `json:"client_cpus,omitempty"`
	// FileLimit is the soft limit of open descriptors.
	FileLimit uint64            `json:"file_limit,omitempty"`
	Sysctls   map[string]string `json:"sysctls,omitempty"`
}

// Cell is one setting in which contestants are compared: the same load for all.
type Cell struct {
	Name        string        `json:"name"`
	Connections int           `json:"connections"`
	Depth       int           `json:"depth,omitempty"`
	Sizes       string        `json:"sizes"`
	Duration    time.Duration `json:"duration_ns"`
	Warmup      time.Duration `json:"warmup_ns"`
	// Rate in packets/s of an open loop; zero is a closed loop of Depth.
	Rate     float64 `json:"rate,omitempty"`
	Arrivals string  `json:"arrivals,omitempty"`
	// Churn in connections per second, each of ChurnPackets.
	Churn         float64       `json:"churn,omitempty"`
	ChurnPackets  int           `json:"churn_packets,omitempty"`
	Idle          int           `json:"idle,omitempty"`
	Slow          int           `json:"slow,omitempty"`
	SlowRate      float64       `json:"slow_bytes_per_second,omitempty"`
	Ramp          time.Duration `json:"ramp_ns,omitempty"`
	ClientThreads int           `json:"client_threads"`
	Seed          uint64        `json:"seed"`
	// ServerThreads and Work per packet that the servers of this cell were started with; zero where the
	// command leaves them to the contestant.
	ServerThreads int           `json:"server_threads,omitempty"`
	Work          time.Duration `json:"work_ns,omitempty"`
	// Ceiling is about the most that the client could drive, in packets/s, found before the first round:
	// its rate then, divided by how busy its busiest thread was. Zero if it wasn't looked for.
	Ceiling float64 `json:"client_ceiling,omitempty"`
}

// Contestant is one server that takes part. What it announced when it listened is here as it said it.
type Contestant struct {
	Name string `json:"name"`
	// Spec of an engine, or Command of another program.
	Spec    string   `json:"spec,omitempty"`
	Command []string `json:"exec,omitempty"`
	// Raw: it echoes bytes without knowing packets.
	Raw        bool   `json:"raw,omitempty"`
	Model      string `json:"model,omitempty"`
	Library    string `json:"library,omitempty"`
	Threads    int    `json:"threads,omitempty"`
	GOMAXPROCS int    `json:"gomaxprocs,omitempty"`
	MaxPacket  int    `json:"max_packet_bytes,omitempty"`
	CPUs       string `json:"cpus_allowed,omitempty"`
}

// Run is one contestant, fresh from its start, under the load of one cell.
type Run struct {
	Cell       int `json:"cell"`
	Contestant int `json:"contestant"`
	Round      int `json:"round"`
	// Order in which it was made, from 0; rounds are interleaved.
	Order   int       `json:"order"`
	Started time.Time `json:"started"`
	// Failed says why there are no figures; everything below is then unset.
	Failed string `json:"failed,omitempty"`

	// Window is the length of the measured part.
	Window  time.Duration `json:"window_ns"`
	Packets uint64        `json:"packets"`
	// Bytes of payload that came back.
	Bytes       uint64 `json:"payload_bytes"`
	Asked       int    `json:"connections_asked"`
	Established int    `json:"connections_established"`
	Lost        int    `json:"connections_lost,omitempty"`
	// Mismatches are connections on which an echo was not what was sent; one voids the run.
	Mismatches uint64  `json:"mismatches,omitempty"`
	Errors     []Error `json:"errors,omitempty"`
	// NotSustained: the rate was not reached, and Backlog packets were due and not answered at the end.
	NotSustained bool   `json:"not_sustained,omitempty"`
	Backlog      uint64 `json:"backlog,omitempty"`
	// Invalid says why the run must not be compared with others, such as a wrong echo.
	Invalid string `json:"invalid,omitempty"`

	Server Usage `json:"server"`
	Client Usage `json:"client"`
	Host   Host  `json:"host"`

	// Response counts from when a packet was due, which in a closed loop is when it was sent. Service
	// counts from when it was sent, Lateness from due to sent; both only for open loops.
	Response *Histogram `json:"response,omitempty"`
	Service  *Histogram `json:"service,omitempty"`
	Lateness *Histogram `json:"lateness,omitempty"`
	Series   []Sample   `json:"series,omitempty"`
}

// Error counts failures of one cause.
type Error struct {
	Cause string `json:"cause"`
	Count uint64 `json:"count"`
	// Example is the first of them, in words.
	Example string `json:"example,omitempty"`
}

// Usage is what one side spent in the window.
type Usage struct {
	// CPU of all threads. Zero where the platform doesn't tell: see Known.
	CPU   time.Duration `json:"cpu_ns"`
	Known bool          `json:"cpu_known"`
	// Threads is the CPU time of each thread: of a server, those that lived at both edges and ran, busiest
	// first; of the client, one for each of its loops.
	Threads []time.Duration `json:"thread_cpu_ns,omitempty"`
	// Voluntary and Involuntary context switches.
	Voluntary   uint64 `json:"voluntary_switches,omitempty"`
	Involuntary uint64 `json:"involuntary_switches,omitempty"`
	// RSSBefore is resident memory before the first connection, RSS at the end of the window; bytes.
	RSSBefore int64 `json:"rss_before_bytes,omitempty"`
	RSS       int64 `json:"rss_bytes,omitempty"`
}

// Host is what the machine did in the window beside the two that are measured.
type Host struct {
	Known bool `json:"known"`
	// Stolen is the share of CPU time, 0 to 1, that a hypervisor gave to others; Other the share that
	// processes other than server and client took. Both are of the CPUs used for the measurement.
	Stolen float64 `json:"stolen"`
	Other  float64 `json:"other"`
	// SocketBytes is the kernel memory in TCP sockets at the end, less that before the first connection.
	SocketBytes int64 `json:"socket_bytes,omitempty"`
}

// Sample is the state during a run at one moment, rates being since the sample before.
type Sample struct {
	// At counts from the opening of the window.
	At time.Duration `json:"at_ns"`
	// Busy is each CPU's share of time spent, 0 to 1, by CPU number.
	Busy []float64 `json:"cpu_busy,omitempty"`
	// What the network interfaces received.
	NetworkBytes   float64 `json:"network_bytes_per_second,omitempty"`
	NetworkPackets float64 `json:"network_packets_per_second,omitempty"`
}

// Capacity is the highest rate at which a contestant kept the objective.
type Capacity struct {
	Contestant int `json:"contestant"`
	// Objective for the 99th percentile of response time.
	Objective time.Duration `json:"objective_ns"`
	// Low is the highest rate that was kept, High the lowest that was not, in packets/s. High is zero if
	// every rate that was tried was kept.
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Steps []Step  `json:"steps"`
	// Limit says what ended the search when it wasn't the server, such as the client.
	Limit string `json:"limit,omitempty"`
}

// Step is one rate that was tried.
type Step struct {
	Rate float64 `json:"rate"`
	// Runs is the index in File.Runs of each run at this rate.
	Runs []int  `json:"runs"`
	Kept bool   `json:"kept"`
	Why  string `json:"why,omitempty"`
}

// CPUPerPacket is the server's CPU time for each packet in ns, and whether it is known.
func (r *Run) CPUPerPacket() (float64, bool) {
	return float64(r.Server.CPU) / float64(r.Packets), r.Server.Known && r.Packets > 0
}

// PerSecond is the rate of packets in the window.
func (r *Run) PerSecond() float64 {
	if r.Window <= 0 {
		return 0
	}
	return float64(r.Packets) / r.Window.Seconds()
}

// IdleBytes is how much the server's resident memory grew for each connection that was opened.
func (r *Run) IdleBytes() float64 {
	if r.Established == 0 {
		return 0
	}
	return float64(r.Server.RSS-r.Server.RSSBefore) / float64(r.Established)
}

// ClientBusy is how busy the client's busiest thread was, 0 to 1: near 1 the client is the limit.
func (r *Run) ClientBusy() float64 {
	if r.Window <= 0 || len(r.Client.Threads) == 0 {
		return 0
	}
	return float64(slices.Max(r.Client.Threads)) / float64(r.Window)
}
