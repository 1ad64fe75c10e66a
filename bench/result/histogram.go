package result

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histogram is a distribution of times in ns. In a file it is the base64 text of HdrHistogram's V2
// compressed encoding, which every HdrHistogram library reads.
type Histogram struct{ *hdrhistogram.Histogram }

// NewHistogram wraps h, nil being none.
func NewHistogram(h *hdrhistogram.Histogram) *Histogram {
	if h == nil {
		return nil
	}
	return &Histogram{h}
}

// At is the time that the share percent, 0 to 100, of all stayed at or below. Without values it is zero.
func (h *Histogram) At(percent float64) time.Duration {
	if h == nil || h.Histogram == nil || h.TotalCount() == 0 {
		return 0
	}
	return time.Duration(h.ValueAtPercentile(percent))
}

// Slowest is the longest time recorded.
func (h *Histogram) Slowest() time.Duration {
	if h == nil || h.Histogram == nil {
		return 0
	}
	return time.Duration(h.Max())
}

// MarshalJSON writes the V2 compressed encoding as a string.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("failed to encode a histogram: %w", err)
	}
	return json.Marshal(string(text))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("a histogram is not a string: %w", err)
	}
	got, err := hdrhistogram.Decode([]byte(text))
	if err != nil {
		return fmt.Errorf("a histogram can't be decoded: %w", err)
	}
	h.Histogram = got
	return nil
}

// Merge adds the histograms of several runs; nil ones are skipped. Without any it is nil.
func Merge(histograms ...*Histogram) *Histogram {
	var sum *hdrhistogram.Histogram
	for _, h := range histograms {
		if h == nil || h.Histogram == nil {
			continue
		}
		if sum == nil {
			sum = hdrhistogram.New(h.LowestTrackableValue(), h.HighestTrackableValue(), int(h.SignificantFigures()))
		}
		sum.Merge(h.Histogram)
	}
	return NewHistogram(sum)
}
