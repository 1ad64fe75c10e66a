package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"echosrv/bench/internal/example"
	"echosrv/bench/result"
	"echosrv/bench/verdict"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, f *result.File) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestConclusions(t *testing.T) {
	got := conclusions(verdict.Judge(example.Compare(), 0))
	want := []string{
		"epoll and c are the cheapest and can't be told apart: from 4,490 (4,120 to 4,650) ns of the server's CPU time for each packet.",
		"Cheaper than goroutine: epoll (0.77 times, 0.76 to 0.78) and c (0.77 times, 0.76 to 0.78).",
		"Not to be told from goroutine: evio. A difference below 2.1 % would not have been found here (p < 0.05, corrected for 4 comparisons).",
		"Throughput is not ranked here.",
		"INVALID: liar. No figure of theirs may be used.",
		"CLIENT-BOUND: epoll. The client was the limit: throughput and latency are the client's; CPU time per packet is the server's.",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestPageNeedsNothing holds the promise that the page opens without a network and runs no script.
func TestPageNeedsNothing(t *testing.T) {
	page := write(t, example.Compare())
	for _, pattern := range []string{`<script`, `<link`, `<img`, `@import`, `url\(`, `\bsrc=`, `\bhref=`, `https?://`, `\bon[a-z]+=`} {
		if found := regexp.MustCompile(pattern).FindString(page); found != "" {
			t.Errorf("the page holds %q", found)
		}
	}
	if strings.Contains(page, "ZgotmplZ") || strings.Contains(page, "<no value>") || strings.Contains(page, "NaN") {
		t.Error("a value was not fit for its place")
	}
	if strings.Contains(page, "<b>nobody</b>") {
		t.Error("text from the file is not escaped")
	}
	for _, want := range []string{"prefers-color-scheme: dark", "name=\"viewport\"", "Response time by percentile", "During the run", "CPU 1, client", "Nothing of this was measured."} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestPageIsBalanced reads the body as XML, which it is: every element is closed in its place.
func TestPageIsBalanced(t *testing.T) { mustBeBalanced(t, write(t, example.Compare())) }

func mustBeBalanced(t *testing.T, page string) {
	t.Helper()
	body := page[strings.Index(page, "<body>"):strings.Index(page, "</html>")]
	body = strings.ReplaceAll(body, "<br>", "<br/>")
	decoder := xml.NewDecoder(strings.NewReader(body))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryKindHasAPage(t *testing.T) {
	for _, kind := range []result.Kind{result.KindCompare, result.KindRun, result.KindSweep, result.KindMemory, result.KindCapacity} {
		f := example.Compare()
		f.Kind = kind
		f.Cells[0].Rate = 1e6
		f.Capacity = []result.Capacity{
			{Contestant: 1, Objective: time.Millisecond, Low: 100e3, High: 104e3},
			{Contestant: 2, Objective: time.Millisecond, Low: 100e3},
			{Contestant: 3, Objective: time.Millisecond, High: 104e3, Limit: "the client was busy"},
		}
		page := write(t, f)
		if !strings.Contains(page, "epoll") || !strings.Contains(page, "<rect") {
			t.Errorf("the page of %s doesn't name a contestant, or has no bar", kind)
		}
		if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") {
			t.Errorf("the page of %s holds what is no number", kind)
		}
		mustBeBalanced(t, page)
	}
	if err := Write(io.Discard, &result.File{Kind: "other"}); err == nil {
		t.Error("an unknown kind has a page")
	}
}

func TestPartialFilesSaySo(t *testing.T) {
	f := example.Compare()
	f.Partial, f.Reason, f.Runs = true, "it was interrupted", f.Runs[:3]
	if page := write(t, f); !strings.Contains(page, "This result is partial: it was interrupted after 3 runs") {
		t.Error("the page doesn't say that it is partial")
	}
	f.Runs = nil
	write(t, f)
}
