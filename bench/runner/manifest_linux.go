package runner

import (
	"os"
	"strings"

	"echosrv/bench/result"

	"golang.org/x/sys/unix"
)

// sysctls that change what a loopback echo costs or allows.
var sysctls = []string{
	"net.core.somaxconn", "net.core.busy_poll", "net.core.busy_read", "net.core.rmem_max", "net.core.wmem_max",
	"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_mem", "net.ipv4.tcp_max_syn_backlog",
	"net.ipv4.ip_local_port_range", "net.ipv4.tcp_congestion_control", "net.ipv4.tcp_tw_reuse",
	"fs.file-max", "fs.nr_open", "kernel.io_uring_disabled", "kernel.sched_autogroup_enabled",
}

func describe(m *result.Manifest) {
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:]) + " " + unix.ByteSliceToString(name.Version[:])
	}
	m.CPU = cpuModel()
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.Memory = int64(uint64(info.Totalram) * uint64(info.Unit))
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		m.FileLimit = limit.Cur
	}
	m.Sysctls = map[string]string{}
	for _, key := range sysctls {
		if text, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(key, ".", "/")); err == nil {
			m.Sysctls[key] = strings.Join(strings.Fields(string(text)), " ")
		}
	}
}

// cpuModel is the first model that /proc/cpuinfo names; some architectures name none.
func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
