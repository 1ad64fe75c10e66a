package backendtest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"echosrv/backends"
)

var crowd = []check{
	{name: "1000 connections at once", run: checkThousand},
	{name: "connect and disconnect churn", run: checkChurn},
	{name: "a busy client does not starve the others", run: checkFairness},
}

// mostFailures is how many errors are enough to stop.
const mostFailures = 5

// each runs f for 0 to n-1 in at most workers goroutines, until a few have failed, and joins their errors.
func each(n, workers int, f func(i int) error) error {
	var (
		group  sync.WaitGroup
		next   atomic.Int64
		mu     sync.Mutex
		failed []error
	)
	for range workers {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				mu.Lock()
				enough := len(failed) >= mostFailures
				mu.Unlock()
				if i >= n || enough {
					return
				}
				if err := f(i); err != nil {
					mu.Lock()
					failed = append(failed, fmt.Errorf("connection %d: %w", i, err))
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	return errors.Join(failed[:min(len(failed), mostFailures)]...)
}

func checkThousand(t T, s *Suite) {
	const n = 1000
	srv := s.start(t, nil)
	clients := make([]*client, n)
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.close()
			}
		}
	}()
	must(t, each(n, 50, func(i int) (err error) {
		if clients[i], err = srv.connect(); err != nil {
			return err
		}
		return clients[i].exchange(packets(uint64(i), 1, 100))
	}))
	if open := srv.service.Totals(); open.Opened-open.Closed != n {
		t.Fatalf("%d sessions are open, %d connections are: %v", open.Opened-open.Closed, n, srv.endings())
	}
	must(t, each(n, n, func(i int) error { return clients[i].exchange(packets(uint64(n+i), 3, i)) }))
	must(t, each(n, 50, func(i int) error {
		if err := clients[i].closeWrite(); err != nil {
			return err
		}
		return clients[i].expectEnd()
	}))
	srv.awaitClosed(t, n)
}

// checkChurn connects and disconnects in all ways that there are, so that descriptors, and whatever an
// engine knows by them, are used again and again.
func checkChurn(t T, s *Suite) {
	n := 1500
	if testing.Short() {
		n = 300
	}
	srv := s.start(t, nil)
	must(t, each(n, 8, func(i int) error {
		c, err := srv.connect()
		if err != nil {
			return err
		}
		defer c.close()
		sent := packets(uint64(i), 1+i%3, 200)
		switch i % 5 {
		case 0: // nothing at all
			return nil
		case 1:
			err = c.exchange(sent)
		case 2: // with replies unread
			err = c.send(sent.bytes())
		case 3:
			err = errors.Join(c.exchange(sent), c.closeWrite(), c.expectEnd())
		case 4:
			err = c.exchange(sent)
			c.reset()
		}
		return err
	}))
	srv.awaitClosed(t, uint64(n))
	if in := srv.pool.Stats().InUse; in != 0 {
		t.Errorf("%d buffers are in use and no connection is", in)
	}
	for _, reason := range srv.endings() {
		if reason != nil && !errors.Is(reason, backends.ErrReset) {
			t.Errorf("a session ended with %v", reason)
		}
	}
	must(t, srv.dial(t).exchange(packets(1, 10, 100)))
}

// checkFairness has one client with as much under way as it can, on every loop, and counts the others'
// packets: each must get through while the busy ones go on.
func checkFairness(t T, s *Suite) {
	srv := s.start(t, nil)
	stop := make(chan struct{})
	var busy sync.WaitGroup
	failed := make(chan error, 4)
	for i := range 4 {
		c := srv.dial(t)
		busy.Go(func() { failed <- c.hammer(uint64(i), stop) })
	}
	srv.eventually(t, "the busy clients are busy", func() bool { return srv.service.Totals().PacketsIn > 1000 })
	others := make([]*client, 20)
	for i := range others {
		others[i] = srv.dial(t)
	}
	began := time.Now()
	err := each(len(others), len(others), func(i int) error { return others[i].exchange(packets(uint64(i), 20, 100)) })
	t.Logf("20 quiet clients beside 4 busy ones took %s", time.Since(began))
	close(stop)
	busy.Wait()
	for range 4 {
		err = errors.Join(err, <-failed)
	}
	must(t, err)
}

// hammer keeps many packets under way until stop is closed.
func (c *client) hammer(seed uint64, stop <-chan struct{}) error {
	for i := uint64(0); ; i++ {
		select {
		case <-stop:
			return nil
		default:
		}
		if err := c.exchange(packets(seed<<20+i, 200, 1000)); err != nil {
			return err
		}
	}
}
