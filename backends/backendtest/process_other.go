//go:build !unix

package backendtest

import "time"

const limitsFiles = false

func limitFiles(int) error { return nil }

func cpuTime() time.Duration { return 0 }
