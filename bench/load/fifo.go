package load

// fifo is a queue in a ring that grows as needed and allocates nothing otherwise. The zero fifo is empty.
type fifo[T any] struct {
	ring []T // its length is a power of two
	head int
	n    int
}

func (q *fifo[T]) len() int { return q.n }

func (q *fifo[T]) push(v T) {
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = v
	q.n++
}

// first and last point at elements of a queue that is not empty, until the next push.
func (q *fifo[T]) first() *T { return &q.ring[q.head] }
func (q *fifo[T]) last() *T  { return &q.ring[(q.head+q.n-1)&(len(q.ring)-1)] }

func (q *fifo[T]) dropFirst() {
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
}

func (q *fifo[T]) dropLast() { q.n-- }

func (q *fifo[T]) pop() T {
	v := *q.first()
	q.dropFirst()
	return v
}

func (q *fifo[T]) grow() {
	ring := make([]T, max(1, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
	}
	q.ring, q.head = ring, 0
}
