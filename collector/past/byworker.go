package past

// byWorker is what each worker keeps for each set of formats. Workers create their own: nothing is locked.
type byWorker[T any] struct {
	make    func(*formats) T
	workers [][]ofFormats[T]
}

type ofFormats[T any] struct {
	formats *formats
	one     T
}

func newByWorker[T any](workers int, create func(*formats) T) *byWorker[T] {
	return &byWorker[T]{make: create, workers: make([][]ofFormats[T], workers)}
}

// of returns a worker's value for some formats.
func (b *byWorker[T]) of(worker int, f *formats) T {
	for _, own := range b.workers[worker] {
		if own.formats == f {
			return own.one
		}
	}
	one := b.make(f)
	b.workers[worker] = append(b.workers[worker], ofFormats[T]{f, one})
	return one
}

func (b *byWorker[T]) all() []T {
	var list []T
	for _, worker := range b.workers {
		for _, own := range worker {
			list = append(list, own.one)
		}
	}
	return list
}
