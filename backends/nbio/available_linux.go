package nbio

func available() error { return nil }
