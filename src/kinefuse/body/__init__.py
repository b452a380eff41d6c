"""The human body: kinematics of the 22 segments, joint angles, embedded shapes, and fitting them to points."""
