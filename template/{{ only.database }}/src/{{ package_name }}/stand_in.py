"""Sample tables that replace the real database in `dev` and in the tests. Yours: make them like your own."""

SQL = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    city TEXT,
    since DATE NOT NULL
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    status TEXT NOT NULL CHECK (status IN ('open', 'paid', 'sent')),
    total NUMERIC NOT NULL,
    placed TIMESTAMP NOT NULL
);
CREATE VIEW open_orders AS
    SELECT orders.id, customers.name AS customer, orders.total, orders.placed
    FROM orders JOIN customers ON customers.id = orders.customer_id
    WHERE orders.status = 'open';
INSERT INTO customers (id, name, email, city, since) VALUES
    (1, 'Ada Lovelace', 'ada@example.com', 'London', '2023-02-11'),
    (2, 'Alan Turing', 'alan@example.com', 'Wilmslow', '2023-05-30'),
    (3, 'Edsger Dijkstra', 'edsger@example.com', 'Nuenen', '2024-01-08'),
    (4, 'Grace Hopper', 'grace@example.com', 'Arlington', '2024-03-19'),
    (5, 'Katherine Johnson', 'katherine@example.com', NULL, '2024-11-02'),
    (6, 'Margaret Hamilton', 'margaret@example.com', 'Cambridge', '2025-06-24');
INSERT INTO orders (id, customer_id, status, total, placed) VALUES
    (101, 1, 'paid', 120.5, '2025-01-14 09:30:00'),
    (102, 1, 'sent', 89.9, '2025-03-02 16:05:00'),
    (103, 4, 'open', 1250, '2025-08-21 11:45:00'),
    (104, 6, 'open', 42, '2025-09-01 08:00:00'),
    (105, 2, 'paid', 310.75, '2025-09-12 13:20:00');
"""
