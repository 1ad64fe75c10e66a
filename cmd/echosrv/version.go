package main

import (
	"runtime"
	"runtime/debug"
)

// version describes the build: the module's version or revision, and the Go release.
func version() string {
	v := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		v = describe(info)
	}
	return v + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}

func describe(info *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	v := info.Main.Version
	if revision := settings["vcs.revision"]; v == "" || v == "(devel)" {
		v = "devel"
		if revision != "" {
			v += " " + revision[:min(12, len(revision))]
		}
		if settings["vcs.modified"] == "true" {
			v += " modified"
		}
	}
	return v
}
