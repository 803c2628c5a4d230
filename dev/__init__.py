"""What serves development alone: stores as child processes, the processes of the Procfile, a simulation of players."""
